import { TriangleAlertIcon } from "lucide-react";
import { Component, type ReactNode } from "react";

import { Empty } from "./states";
import { Button } from "./ui/button";

interface Props {
  /** Where we are: elsewhere, another try is made. */
  place: string;
  children: ReactNode;
}

/** Holds what goes wrong in a page to that page: uploads go on, and the way out stays open. */
export class ErrorBoundary extends Component<Props, { why?: string | undefined }> {
  override state: { why?: string | undefined } = {};

  static getDerivedStateFromError(error: unknown) {
    return { why: error instanceof Error ? error.message : String(error) };
  }

  override componentDidUpdate(before: Props) {
    if (before.place !== this.props.place && this.state.why !== undefined) {
      this.setState({ why: undefined });
    }
  }

  override render() {
    if (this.state.why === undefined) return this.props.children;
    return (
      <div role="alert">
        <Empty icon={TriangleAlertIcon} title="This page could not be shown">
          <p className="mb-4">{this.state.why}</p>
          <div className="flex justify-center gap-2">
            <Button variant="outline" size="sm" onClick={() => this.setState({ why: undefined })}>
              Try again
            </Button>
            {/* Some browsers remember for good that a module did not come (whatwg/html#6768). */}
            <Button variant="outline" size="sm" onClick={() => window.location.reload()}>
              Reload
            </Button>
          </div>
        </Empty>
      </div>
    );
  }
}
