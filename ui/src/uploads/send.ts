/** Send a form and tell how far it is. XMLHttpRequest, because fetch does not tell. */

import { headersFor } from "@/api/client";
import { askForKey } from "@/api/keys";
import { problemOf, unreachable, type ApiProblem } from "@/api/problems";

export class SendError extends Error {
  constructor(
    readonly problem: ApiProblem,
    /** The whole body had left: it may have been taken all the same. */
    readonly all_sent: boolean,
  ) {
    super(problem.message);
  }
}

export interface Sending {
  /** Rejects with `SendError`; with a DOMException of the name AbortError once it is aborted. */
  readonly answer: Promise<unknown>;
  abort(): void;
}

/**
 * POSTs `form` to `path` of the API at `url`.
 *
 * @param onSent is told the bytes of the body that have left so far.
 */
export function send(
  url: string,
  path: string,
  form: FormData,
  onSent: (bytes: number) => void,
): Sending {
  const request = new XMLHttpRequest();
  let all_sent = false;
  const answer = new Promise<unknown>((resolve, reject) => {
    request.upload.onprogress = (event) => onSent(event.loaded);
    request.upload.onload = () => (all_sent = true);
    request.onabort = () => reject(new DOMException("Aborted", "AbortError"));
    request.onerror = () => reject(new SendError(unreachable(), all_sent));
    request.onload = () => {
      const body = parsed(request.responseText);
      if (request.status >= 200 && request.status < 300) {
        resolve(body);
        return;
      }
      if (request.status === 401) askForKey(url);
      const problem = problemOf(request.status, body, (name) => request.getResponseHeader(name));
      reject(new SendError(problem, true));
    };
  });
  request.open(
    "POST",
    /^https?:/.test(path) ? path : new URL(`${url || "."}${path}`, document.baseURI),
  );
  if (!/^https?:/.test(path)) {
    for (const [name, value] of Object.entries(headersFor(url)))
      request.setRequestHeader(name, value);
  }
  request.send(form);
  return { answer, abort: () => request.abort() };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null; // S3 answers in XML, and a gateway in whatever it likes
  }
}
