import { createHash } from "node:crypto";
import { Code, ServiceError } from "../errors.ts";

const defaultPageSize = 50;

interface PageRequest {
  pageSize: number;
  pageToken: string;
}

/** Where a page begins and how many rows to read: one more than the page holds, to know of a next one. */
export interface Page {
  /** What the page before ended with; empty for the first page. */
  after: string;
  size: number;
  limit: number;
}

/**
 * Reads a page token.
 * @param filters all that must stay the same from page to page
 * @throws ServiceError PAGE_TOKEN_INVALID
 */
export function readPage(request: PageRequest, filters: readonly unknown[]): Page {
  const size = request.pageSize === 0 ? defaultPageSize : request.pageSize;
  const after = request.pageToken === "" ? "" : openToken(request.pageToken, filters);
  return { after, size, limit: size + 1 };
}

/** Cuts the rows to the page, and makes the next page's token if there is one. */
export function toPage<Row>(
  rows: Row[],
  page: Page,
  filters: readonly unknown[],
  cursor: (row: Row) => string,
): { rows: Row[]; nextPageToken: string } {
  const kept = rows.slice(0, page.size);
  const last = kept.at(-1);
  const more = rows.length > page.size && last !== undefined;
  return { rows: kept, nextPageToken: more ? makeToken(cursor(last), filters) : "" };
}

function makeToken(cursor: string, filters: readonly unknown[]): string {
  return Buffer.from(`${filterMark(filters)}:${cursor}`).toString("base64url");
}

function openToken(token: string, filters: readonly unknown[]): string {
  const text = Buffer.from(token, "base64url").toString();
  const mark = `${filterMark(filters)}:`;
  const genuine = text.startsWith(mark) && /^[\w-]{1,64}$/.test(text.slice(mark.length));
  if (!genuine || Buffer.from(text).toString("base64url") !== token) throw badPageToken();
  return text.slice(mark.length);
}

/** The sequence number that a page begins after, which the token's holder may have made up. */
export function sequenceOf(cursor: string): number {
  if (/^\d{1,15}$/.test(cursor)) return Number(cursor);
  throw badPageToken();
}

function badPageToken(): ServiceError {
  return new ServiceError(
    Code.invalidArgument,
    "PAGE_TOKEN_INVALID",
    "The page token is not one that this listing gave out. Begin again without one, and keep the other fields the same from page to page.",
  );
}

/** A token cannot be used to read what its caller may not: it holds a position, not a permission. */
function filterMark(filters: readonly unknown[]): string {
  return createHash("sha256").update(JSON.stringify(filters)).digest("base64url").slice(0, 12);
}
