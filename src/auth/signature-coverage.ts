import { Code, ServiceError } from "../errors.ts";
import { normalAuthority, type RequestHead } from "./request-head.ts";

const derived = new Set(["@method", "@authority", "@path", "@query"]);
/** The content types that can mean only one thing here, so that they need not be covered. */
const unambiguousTypes = new Set([
  "application/grpc",
  "application/grpc+proto",
  "application/grpc-web",
  "application/grpc-web+proto",
]);
const encodings = ["grpc-encoding", "content-encoding", "connect-content-encoding"];

/**
 * Holds that a signature covers all that gives its request a meaning.
 * @throws ServiceError SIGNATURE_COVERAGE
 */
export function ensureCovered(
  head: RequestHead,
  components: readonly string[],
  authorities: ReadonlySet<string> | undefined,
): void {
  for (const name of components) ensurePresent(head, name);
  for (const name of needed(head)) {
    if (!components.includes(name)) throw uncovered(name);
  }
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

function needed(head: RequestHead): string[] {
  const always = ["@method", "@authority", "@path"];
  if (head.method === "GET") return [...always, "@query"];
  const type = (head.header("content-type") ?? "").toLowerCase().trim();
  if (!unambiguousTypes.has(type)) always.push("content-type");
  // "?" alone is a query too, an empty one.
  if (head.target.includes("?") && !head.target.endsWith("?")) always.push("@query");
  return [...always, "content-digest"];
}

function ensurePresent(head: RequestHead, name: string): void {
  if (derived.has(name)) return;
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
