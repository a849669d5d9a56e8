import { createHash } from "node:crypto";
import { randomBase62 } from "../ids.ts";

/** How long a session lasts, however often it is refreshed. */
export const sessionDays = 30;

/** `rt_` and 43 characters, 256 random bits. */
export function newRefreshToken(): string {
  return `rt_${randomBase62(43)}`;
}

/** What is stored of a refresh token. It needs no salt: there is nothing to guess. */
export function refreshTokenHash(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}
