import { lookup } from "node:dns";
import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import { connect, isIP, type LookupFunction, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { hostOf } from "./sink-url.ts";

/** What is sent, and where to. */
export interface Post {
  url: URL;
  headers: Record<string, string>;
  body: Buffer;
  /** Whether it may go to an address that the host has. */
  allows: (address: string) => boolean;
  /** Ends it. */
  signal: AbortSignal;
}

/** The host has an address that nothing may be sent to. */
export class AddressRefusedError extends Error {}

/**
 * Posts, and waits for the status of the answer, of which nothing else is read. A redirect is an answer like
 * any other. Nothing is sent before the address is known that the connection leads to.
 * @throws AddressRefusedError; Error when there was no answer
 */
export async function post({ url, headers, body, allows, signal }: Post): Promise<number> {
  const socket = await connectTo(url, allows, signal);
  try {
    const sent = request(url, {
      // Both protocols are the same on a connection that is made.
      protocol: "http:",
      createConnection: () => socket,
      method: "POST",
      headers: { host: url.host, ...headers, "content-length": body.length },
      signal,
    });
    sent.end(body);
    // To switch protocols is an answer too: without a listener nothing would ever come of it.
    const answers = ["response", "upgrade"].map((name) => once(sent, name, { signal }));
    const [response] = (await Promise.race(answers)) as [IncomingMessage];
    // It is cut off below, as nothing of it is read.
    for (const each of [sent, response]) each.on("error", () => {});
    return response.statusCode ?? 0;
  } finally {
    socket.destroy();
  }
}

async function connectTo(url: URL, allows: Post["allows"], signal: AbortSignal): Promise<Socket> {
  const host = hostOf(url);
  const isSecure = url.protocol === "https:";
  if (isIP(host) !== 0) ensureAllowed(host, allows);
  const port = Number(url.port) || (isSecure ? 443 : 80);
  const plain = connect({ host, port, lookup: allowedLookup(allows), signal });
  try {
    await once(plain, "connect", { signal });
    ensureAllowed(plain.remoteAddress ?? "", allows);
    if (!isSecure) return plain;
    const servername = isIP(host) === 0 ? host : "";
    const secure = connectTls({ socket: plain, host, servername, ALPNProtocols: ["http/1.1"] });
    await once(secure, "secureConnect", { signal });
    return secure;
  } catch (error) {
    plain.destroy();
    throw error;
  }
}

/** Finds no host that has an address which is not allowed: none is even connected to. */
function allowedLookup(allows: Post["allows"]): LookupFunction {
  return (host, options, done) => {
    lookup(host, { ...options, all: true }, (error, found) => {
      if (error !== null) return done(error, []);
      if (!found.every(({ address }) => allows(address))) return done(addressRefused(), []);
      if (options.all === true) return done(null, found);
      done(null, found[0]?.address ?? "", found[0]?.family);
    });
  };
}

function ensureAllowed(address: string, allows: Post["allows"]): void {
  if (!allows(address)) throw addressRefused();
}

function addressRefused(): AddressRefusedError {
  return new AddressRefusedError("its host has an address that nothing may be delivered to");
}
