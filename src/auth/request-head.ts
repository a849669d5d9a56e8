/** The head of a request, as it came. */
export interface RequestHead {
  method: string;
  /** The host header, or `:authority`. */
  authority: string;
  /** The raw request target: path and query, not decoded. */
  target: string;
  /** By name in lower case; repeated headers are joined by ", ". */
  header(name: string): string | undefined;
}

/** The value of a covered component (RFC 9421 §2.1, §2.2); a field that is missing is empty. */
export function componentValue(head: RequestHead, name: string): string {
  switch (name) {
    case "@method":
      return head.method;
    case "@authority":
      return normalAuthority(head.authority);
    case "@path":
      return pathOf(head.target) || "/";
    case "@query":
      return head.target.slice(pathOf(head.target).length) || "?";
    default:
      return withoutOuterSpace(head.header(name) ?? "");
  }
}

/** Without the spaces and tabs around it, and no others (RFC 9421 §2.1, RFC 9110 §5.6.3). */
export function withoutOuterSpace(value: string): string {
  let start = 0;
  let end = value.length;
  // No regular expression: on a long run of spaces within a value, its time would grow as the square.
  while (start < end && isSpace(value.charCodeAt(start))) start++;
  while (end > start && isSpace(value.charCodeAt(end - 1))) end--;
  return value.slice(start, end);
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

function pathOf(target: string): string {
  const query = target.indexOf("?");
  return query === -1 ? target : target.slice(0, query);
}

/** Lower case, and without the port that its scheme implies (RFC 9421 §2.2.3). */
export function normalAuthority(authority: string): string {
  const text = authority.toLowerCase();
  if (text.endsWith(":80")) return text.slice(0, -3);
  return text.endsWith(":443") ? text.slice(0, -4) : text;
}
