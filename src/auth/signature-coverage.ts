import { Code, ServiceError } from "../errors.ts";
import { normalAuthority, type RequestHead, withoutOuterSpace } from "./request-head.ts";

const derived = ["@method", "@authority", "@path", "@query"];
/** The content types that can mean only one thing here, so that they need not be covered. */
const unambiguousTypes = new Set([
  "application/grpc",
  "application/grpc+proto",
  "application/grpc-web",
  "application/grpc-web+proto",
]);
const always = ["@method", "@authority", "@path"];
const encodings = ["grpc-encoding", "content-encoding", "connect-content-encoding"];

/**
 * Holds that what a signature covers is there, and that it covers what every signature must. The usual
 * lists of components do, so only others are looked at.
 * @throws ServiceError SIGNATURE_COVERAGE
 */
export function ensureListed(head: RequestHead, components: readonly string[]): void {
  for (const name of components) ensurePresent(head, name);
  for (const name of always) ensureIn(components, name);
}

/**
 * Holds that a signature covers all that gives its request a meaning.
 * @throws ServiceError SIGNATURE_COVERAGE
 */
export function ensureMeaningCovered(
  head: RequestHead,
  components: readonly string[],
  authorities: ReadonlySet<string> | undefined,
): void {
  if (head.method === "GET") ensureIn(components, "@query");
  else ensureBodyCovered(head, components);
  for (const name of encodings) {
    const encoding = head.header(name) ?? "identity";
    if (encoding !== "identity" && !components.includes(name)) throw uncovered(name);
  }
  if (authorities !== undefined && !authorities.has(normalAuthority(head.authority))) {
    throw refusal(
      `The request is signed for "${head.authority.slice(0, 253)}", which is not an authority of this service. Use its public host name.`,
    );
  }
}

function ensureBodyCovered(head: RequestHead, components: readonly string[]): void {
  ensureIn(components, "content-digest");
  const type = withoutOuterSpace(head.header("content-type") ?? "").toLowerCase();
  if (!unambiguousTypes.has(type)) ensureIn(components, "content-type");
  // "?" alone is a query too, an empty one.
  const query = head.target.indexOf("?");
  if (query !== -1 && query < head.target.length - 1) ensureIn(components, "@query");
}

function ensureIn(components: readonly string[], name: string): void {
  if (!components.includes(name)) throw uncovered(name);
}

function ensurePresent(head: RequestHead, name: string): void {
  if (derived.includes(name)) return;
  const isField = !name.startsWith("@") && head.header(name) !== undefined;
  if (isField) return;
  throw refusal(`The signature covers "${name}", which the request does not have.`);
}

function uncovered(name: string): ServiceError {
  return refusal(`The signature must cover "${name}".`);
}

function refusal(what: string): ServiceError {
  return new ServiceError(
    Code.unauthenticated,
    "SIGNATURE_COVERAGE",
    `${what} See docs/hmac-authentication.md for what to cover.`,
  );
}
