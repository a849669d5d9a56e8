import { Code, ServiceError } from "../errors.ts";

/** So much of a body is always taken: nobody's large bodies keep others from sending small ones. */
const freeBytes = 16 * 1024;
const maxBytes = 64 * 1024 * 1024;

/** A body on its way. */
export interface PendingBody {
  /** Bytes that have arrived. */
  size: number;
}

/** What the bodies that have not arrived whole take of this process's memory, all together. */
class BodyBudget {
  #taken = 0;

  /** @throws ServiceError OVERLOADED when there is no room for more of this body */
  grow(body: PendingBody, more: number): void {
    const before = counted(body.size);
    body.size += more;
    this.#taken += counted(body.size) - before;
    if (this.#taken > maxBytes && body.size > freeBytes) throw overloaded();
  }

  /** Called once for each body, when it has arrived or is given up. */
  release(body: PendingBody): void {
    this.#taken -= counted(body.size);
    body.size = 0;
  }
}

/** Of both servers. */
export const bodyBudget = new BodyBudget();

const counted = (size: number) => Math.max(0, size - freeBytes);

function overloaded(): ServiceError {
  return new ServiceError(
    Code.resourceExhausted,
    "OVERLOADED",
    "Too many large messages are on their way right now. Try again in a second.",
    { retryAfterMs: 1_000 },
  );
}
