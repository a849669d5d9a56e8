import { createHash } from "node:crypto";
import { randomBase62 } from "../ids.ts";

/** How long an invitation can be accepted. */
export const invitationDays = 7;

/** `inv_` and 43 characters, 256 random bits. */
export function newInvitationToken(): string {
  return `inv_${randomBase62(43)}`;
}

/** What is stored of an invitation. It needs no salt: there is nothing to guess. */
export function invitationHash(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}
