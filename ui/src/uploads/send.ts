/** Send a form and tell how far it is. XMLHttpRequest, because fetch does not tell. */

import { headersFor } from "@/api/client";
import { askForKey } from "@/api/keys";
import { problemOf, unreachable } from "@/api/problems";

export interface Sending {
  /** Rejects with `ApiProblem`; with a DOMException of the name AbortError once it is aborted. */
  readonly answer: Promise<unknown>;
  /** Stops it, and tells whether it did: once all of it has left, its answer counts. */
  abort(): boolean;
}

/** POSTs `form` to a route of the API at `url`, with the key that it needs. */
export function sendToApi(
  url: string,
  route: string,
  form: FormData,
  onSent: (bytes: number) => void,
): Sending {
  return send(
    new URL(`${url || "."}${route}`, document.baseURI),
    form,
    onSent,
    headersFor(url),
    () => askForKey(url),
  );
}

/** POSTs `form` to an address that was signed for it. No key of ours is any business of theirs. */
export function sendToS3(
  address: string,
  form: FormData,
  onSent: (bytes: number) => void,
): Sending {
  return send(new URL(address), form, onSent, {}, () => undefined);
}

/** @param onSent is told the bytes of the body that have left so far. */
function send(
  address: URL,
  form: FormData,
  onSent: (bytes: number) => void,
  headers: Record<string, string>,
  onRefused: () => void,
): Sending {
  const request = new XMLHttpRequest();
  let all_sent = false;
  const answer = new Promise<unknown>((resolve, reject) => {
    request.upload.onprogress = (event) => onSent(event.loaded);
    request.upload.onload = () => (all_sent = true);
    request.onabort = () => reject(new DOMException("Aborted", "AbortError"));
    request.onerror = () => reject(unreachable());
    request.onload = () => {
      const body = parsed(request.responseText);
      if (request.status >= 200 && request.status < 300) {
        resolve(body);
        return;
      }
      if (request.status === 401) onRefused();
      reject(problemOf(request.status, body, (name) => request.getResponseHeader(name)));
    };
  });
  request.open("POST", address);
  for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
  request.send(form);
  const abort = () => {
    if (!all_sent) request.abort();
    return !all_sent;
  };
  return { answer, abort };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null; // S3 answers in XML, and a gateway in whatever it likes
  }
}
