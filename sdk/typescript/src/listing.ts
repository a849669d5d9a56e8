/** One page of a listing. */
export interface Page<T> {
  items: T[];
  /** Asks for the next page; undefined on the last one. */
  nextPageToken: string | undefined;
}

/** Where a listing begins, and how much a page holds. */
export interface PageOptions {
  /** How many items a page has at most, up to 200; 50 when absent. */
  pageSize?: number | undefined;
  /** The `nextPageToken` of the page before; absent for the first page. */
  pageToken?: string | undefined;
}

/**
 * A listing, fetched as it is read: `for await` gives every item on every page, `page()` one page.
 * Nothing is asked of the service before.
 */
export class Listing<T> implements AsyncIterable<T> {
  readonly #fetch: (pageToken: string) => Promise<Page<T>>;
  readonly #pageToken: string;

  /** @param fetch gets a page; the first one with an empty token */
  constructor(fetch: (pageToken: string) => Promise<Page<T>>, pageToken = "") {
    this.#fetch = fetch;
    this.#pageToken = pageToken;
  }

  /** Gets the page that the listing begins with. */
  async page(): Promise<Page<T>> {
    return await this.#fetch(this.#pageToken);
  }

  /** Gets page after page. */
  async *pages(): AsyncGenerator<Page<T>, void, undefined> {
    let page = await this.page();
    yield page;
    while (page.nextPageToken !== undefined) {
      page = await this.#fetch(page.nextPageToken);
      yield page;
    }
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void, undefined> {
    for await (const page of this.pages()) yield* page.items;
  }
}

/** @param nextPageToken empty on the last page, as the contract has it */
export function toPage<T>(items: T[], nextPageToken: string): Page<T> {
  return { items, nextPageToken: nextPageToken === "" ? undefined : nextPageToken };
}
