/** What can go wrong with a request, in one shape (RFC 9457 where the API tells of it). */

export class ApiProblem extends Error {
  override name = "ApiProblem";

  constructor(
    /** HTTP status; 0 where there was no answer. */
    readonly status: number,
    /** Stable, for programs. */
    readonly code: string,
    detail: string,
    /** How long to stay away, where the API said so. */
    readonly retryAfter_s?: number,
    /** All that the answer had in it. */
    readonly members: Readonly<Record<string, unknown>> = {},
  ) {
    super(detail);
  }

  /** Whether the same request may well succeed later. */
  get passing(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

export const unreachable = (): ApiProblem =>
  new ApiProblem(0, "unreachable", "The API does not answer.");

/** Reads the problem out of an answer that is not a success, whoever gave it. */
export function problemOf(
  status: number,
  body: unknown,
  header: (name: string) => string | null,
): ApiProblem {
  const told = (typeof body === "object" && body !== null ? body : {}) as Record<string, unknown>;
  const text = (name: string) => (typeof told[name] === "string" ? told[name] : undefined);
  return new ApiProblem(
    status,
    text("code") ?? `http_${status}`,
    // API Gateway's own answers have a `message`.
    text("detail") ?? text("message") ?? `The API answered with status ${status}.`,
    retryAfter_s(header("Retry-After")),
    told,
  );
}

/** The seconds that a Retry-After header asks for: a number or a date (RFC 9110, 10.2.3). */
export function retryAfter_s(header: string | null, now = Date.now()): number | undefined {
  if (!header) return undefined;
  const seconds = /^\d+(\.\d+)?$/.test(header) ? Number(header) : (Date.parse(header) - now) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, seconds) : undefined;
}
