import type { Logger } from "pino";
import type { AuditLog } from "../audit/audit-log.ts";
import type { AccessTokens } from "../auth/access-tokens.ts";
import type { Credentials } from "../auth/credentials.ts";
import type { KeyUsage } from "../auth/key-usage.ts";
import type { MasterKey } from "../auth/sealing.ts";
import type { TrustedProxies } from "../auth/source-address.ts";
import type { AuditFeed } from "../store/audit-feed.ts";
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
  readonly auditFeed: AuditFeed;
  /** Clients verify checkpoints of the audit log by it. */
  readonly checkpointVerifierKey: string;
  readonly usage: KeyUsage;
  readonly log: Logger;
  /** What `@authority` may be; undefined accepts any. */
  readonly authorities: ReadonlySet<string> | undefined;
  /** Tell the address of a caller behind them. */
  readonly proxies: TrustedProxies;
  /** The URL of the page that takes invitations; undefined where there is none. */
  readonly invitationPage: string | undefined;
  /** Whether audit events are delivered to public addresses only. */
  readonly isProduction: boolean;
}
