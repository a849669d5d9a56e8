import { type SignatureHeaders, Signer, type SigningKey } from "./signer.ts";

/** A request to sign by hand. */
export interface RequestToSign extends SigningKey {
  /** The HTTP method, such as `POST`. */
  method: string;
  /** The absolute URL that the request is sent to, without a query. */
  url: string | URL;
  /** The content type exactly as sent. It is covered when given, as all but gRPC's and gRPC-Web's own must be. */
  contentType?: string | undefined;
  /** The content exactly as sent; text is taken as UTF-8. */
  body: Uint8Array | string;
  /** The time in Unix seconds; the system's when absent. */
  now?: number | undefined;
  /** 22 to 64 characters `[A-Za-z0-9_-]`, never used twice; random when absent. */
  nonce?: string | undefined;
}

/**
 * Signs one request. The headers are good for one attempt: sign again to send it again.
 * @returns the three headers to add
 * @throws TypeError when the key, the URL or the nonce cannot be used
 */
export function signRequest(request: RequestToSign): SignatureHeaders {
  const { method, contentType, body, now, nonce } = request;
  const { host, pathname, search } = new URL(request.url);
  if (search !== "") throw new TypeError("url must have no query: the service takes none.");
  if (nonce !== undefined && !/^[A-Za-z0-9_-]{22,64}$/.test(nonce)) {
    throw new TypeError("nonce must be 22 to 64 letters, digits, hyphens and underscores.");
  }
  const signer = new Signer(request, now === undefined ? undefined : () => now);
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
  return signer.sign({
    method,
    authority: host,
    path: pathname,
    contentType,
    body: [bytes],
    nonce,
  });
}
