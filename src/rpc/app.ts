import type { Logger } from "pino";
import type { AuditLog } from "../audit/audit-log.ts";
import type { AccessTokens } from "../auth/access-tokens.ts";
import type { Credentials } from "../auth/credentials.ts";
import type { MasterKey } from "../auth/sealing.ts";
import type { Database } from "../store/database.ts";
import type { ReplayStore } from "../store/replay/replay-store.ts";

/** What handlers and interceptors work with; built once, at start. */
export interface App {
  readonly db: Database;
  readonly replay: ReplayStore;
  readonly credentials: Credentials;
  readonly accessTokens: AccessTokens;
  readonly masterKey: MasterKey;
  readonly audit: AuditLog;
  readonly log: Logger;
  /** What `@authority` may be; undefined accepts any. */
  readonly authorities: ReadonlySet<string> | undefined;
}
