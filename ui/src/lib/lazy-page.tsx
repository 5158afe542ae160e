import { type ComponentType, use } from "react";

const TRIES = 4;
const PAUSE_MS = 700;
const KEPT_MS = 100;

type Load = () => Promise<{ default: ComponentType }>;

/** A page whose code comes later: `preload` fetches it, and so does showing it. */
export function lazyPage(load: Load) {
  let coming: ReturnType<Load> | undefined;
  const preload = () => {
    coming ??= retried(load).catch((error: unknown) => {
      // Who waits for it is told first; who asks after that has it tried again.
      setTimeout(() => (coming = undefined), KEPT_MS);
      throw error;
    });
    return coming;
  };
  // Not React's lazy(), which remembers a failure for good.
  function Page() {
    const { default: Loaded } = use(preload());
    return <Loaded />;
  }
  return { Page, preload };
}

async function retried(load: Load): ReturnType<Load> {
  for (let tries = 1; ; tries++) {
    try {
      return await load();
    } catch (error) {
      if (tries === TRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}
