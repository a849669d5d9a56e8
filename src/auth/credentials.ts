import { LRUCache } from "lru-cache";
import { type OrganizationSummary, type Principal, PrincipalType } from "../iam/principal.ts";
import { type CredentialRow, findCredential } from "../store/api-keys.ts";
import type { Database, Transaction } from "../store/database.ts";
import { organizationOf } from "../store/organizations.ts";
import type { RateLimit } from "../store/replay/replay-store.ts";
import { Allowlists } from "./allowlists.ts";
import { HmacKey } from "./hmac.ts";
import { policySlice, readGroups } from "./policy-slices.ts";
import { dataKeyContext, type MasterKey, secretContext, unseal } from "./sealing.ts";
import { SharedValues } from "./shared-values.ts";

/**
 * An API key, ready to check signatures with: its HMAC key is the UTF-8 bytes of the whole secret key. That
 * and the rest are one object, as each one more that a call must find in memory costs it time.
 */
export class Credential extends HmacKey {
  readonly principal: Principal;
  /** Which addresses its calls may come from. */
  readonly allowlists: Allowlists;
  /** How often it may call: by itself, and together with the other keys of its service account. */
  readonly limits: readonly RateLimit[];
  /** Why signatures of this key are refused; undefined while they are honoured. */
  readonly refusal: CredentialRefusal | undefined;
  /** Unix milliseconds from which the key is not honoured; undefined without an end. */
  readonly expiresAt: number | undefined;
  /** Unix milliseconds after which this is read again; undefined while only the epoch decides. */
  readonly staleAt: number | undefined;
  /** The hour in which it was used last, by number. */
  usedIn: number;

  constructor(secretKey: Buffer, facts: Omit<Credential, keyof HmacKey>) {
    super(secretKey);
    this.principal = facts.principal;
    this.allowlists = facts.allowlists;
    this.limits = facts.limits;
    this.refusal = facts.refusal;
    this.expiresAt = facts.expiresAt;
    this.staleAt = facts.staleAt;
    this.usedIn = facts.usedIn;
  }
}

export type CredentialRefusal =
  | "API_KEY_REVOKED"
  | "API_KEY_DISABLED"
  | "API_KEY_EXPIRED"
  | "SERVICE_ACCOUNT_DISABLED"
  | "SERVICE_ACCOUNT_DELETED";

/** Why signatures of a key are refused at `now` (Unix milliseconds); undefined while they are not. */
export function refusalAt(credential: Credential, now: number): CredentialRefusal | undefined {
  const { refusal, expiresAt } = credential;
  if (refusal !== undefined) return refusal;
  return expiresAt !== undefined && now >= expiresAt ? "API_KEY_EXPIRED" : undefined;
}

const maxEntries = 100_000;
const maxBytes = 128 * 1024 * 1024;
/** Strangers make these up, so they are kept apart: they cannot push out what is in use. */
const maxUnknown = 10_000;
/** What refuses is read again soon: an enabled account should not wait for an epoch that may not come. */
const refusalMs = 1_000;
const hourMs = 3_600_000;

/**
 * The credentials of API keys by access key. What is cached is good for as long as the
 * organization's access epoch stands: whoever uses a credential compares the two.
 */
export class Credentials {
  readonly #db: Database;
  readonly #masterKey: MasterKey;
  /** In the order of the hours in which they were used: to tell calls apart costs more than it brings. */
  readonly #known = new LRUCache<string, Credential>({
    max: maxEntries,
    maxSize: maxBytes,
    sizeCalculation: sizeOf,
  });
  /** Access keys that are nobody's, and until when that is believed, in Unix milliseconds. */
  readonly #unknown = new LRUCache<string, number>({ max: maxUnknown });
  readonly #loading = new Map<string, Promise<Credential | undefined>>();
  /** The newest epoch heard of, by organization. */
  readonly #epochs = new Map<string, number>();
  readonly #organizations = new SharedValues<OrganizationSummary>();
  readonly #limits = new SharedValues<ReadonlySet<string>>(({ size }) => 100 * size);
  readonly #allowlists = new SharedValues<Allowlists>((allowlists) => allowlists.bytes);
  readonly #texts = new SharedValues<string>();
  readonly #epochListeners = new Set<(organizationId: string) => void>();
  #generation = 0;

  constructor(db: Database, masterKey: MasterKey) {
    this.#db = db;
    this.#masterKey = masterKey;
  }

  /** The credential, from the cache if it may be: no promise then, and no query. */
  get(accessKey: string): Credential | undefined | Promise<Credential | undefined> {
    const now = Date.now();
    const credential = this.#known.peek(accessKey);
    if (credential !== undefined) {
      if (credential.usedIn !== hourOf(now)) {
        credential.usedIn = hourOf(now);
        this.#known.get(accessKey);
      }
      return this.#isCurrent(credential, now) ? credential : this.#shared(accessKey);
    }
    if ((this.#unknown.get(accessKey) ?? 0) > now) return undefined;
    return this.#shared(accessKey);
  }

  /** The credential as it is at `epoch` or later; read anew when it is not known which that is. */
  async getAt(
    accessKey: string,
    organizationId: string,
    epoch: number | undefined,
  ): Promise<Credential | undefined> {
    if (epoch === undefined) return this.#load(accessKey);
    this.noteEpoch(organizationId, epoch);
    const credential = await this.get(accessKey);
    // A read that was shared may have begun before the epoch was raised.
    if (credential !== undefined && credential.principal.epoch < epoch)
      return this.#load(accessKey);
    return credential;
  }

  /** The credential as a transaction sees it, which holds the epoch; nothing is cached. */
  async readIn(tx: Transaction, accessKey: string): Promise<Credential | undefined> {
    const row = await findCredential(tx, accessKey);
    return row === undefined ? undefined : this.#open(row);
  }

  /** Takes note of an epoch: what was read before it is not used again. */
  noteEpoch(organizationId: string, epoch: number): void {
    if (epoch <= (this.#epochs.get(organizationId) ?? 0)) return;
    this.#epochs.set(organizationId, epoch);
    for (const listener of this.#epochListeners) listener(organizationId);
  }

  /** Tells of every organization in which somebody's access has changed, as soon as that is known. */
  onEpoch(listener: (organizationId: string) => void): void {
    this.#epochListeners.add(listener);
  }

  /** Forgets everything, for when epochs may have been missed. */
  clear(): void {
    this.#generation++;
    this.#known.clear();
    this.#unknown.clear();
    this.#loading.clear();
  }

  #isCurrent({ principal, staleAt }: Credential, now: number): boolean {
    if (staleAt !== undefined && now > staleAt) return false;
    return principal.epoch >= (this.#epochs.get(principal.organizationId) ?? 0);
  }

  /** Concurrent misses for one key share one query. */
  #shared(accessKey: string): Promise<Credential | undefined> {
    let loading = this.#loading.get(accessKey);
    if (loading === undefined) {
      loading = this.#load(accessKey).finally(() => {
        if (this.#loading.get(accessKey) === loading) this.#loading.delete(accessKey);
      });
      this.#loading.set(accessKey, loading);
    }
    return loading;
  }

  async #load(accessKey: string): Promise<Credential | undefined> {
    const generation = this.#generation;
    const row = await findCredential(this.#db, accessKey);
    const credential = row === undefined ? undefined : this.#open(row);
    if (generation === this.#generation) this.#store(accessKey, credential);
    return credential;
  }

  #store(accessKey: string, credential: Credential | undefined): void {
    const known = this.#known.peek(accessKey);
    if (credential === undefined) {
      this.#known.delete(accessKey);
      this.#unknown.set(accessKey, Date.now() + refusalMs);
    } else if (known === undefined || known.principal.epoch <= credential.principal.epoch) {
      // Of two reads at once, the one that saw less must not win.
      this.#known.set(accessKey, credential);
    }
  }

  #open(row: CredentialRow): Credential {
    const refusal = refusalOf(row);
    return new Credential(this.#secretKeyOf(row), {
      principal: this.#principalOf(row),
      allowlists:
        row.allowlists === null
          ? Allowlists.none
          : this.#allowlists.get(row.allowlists, () => Allowlists.of(row.allowlists)),
      limits: limitsOf(row),
      refusal,
      expiresAt: endOf(row),
      staleAt: refusal === undefined ? undefined : Date.now() + refusalMs,
      usedIn: hourOf(Date.now()),
    });
  }

  #secretKeyOf(row: CredentialRow): Buffer {
    const organizationId = row.organization_id;
    const dataKeyAad = dataKeyContext(organizationId);
    const dataKey = unseal(this.#masterKey.key, row.sealed_data_key, dataKeyAad);
    const secretAad = secretContext(organizationId, row.id, row.secret_version);
    return unseal(dataKey, row.sealed_secret, secretAad);
  }

  #principalOf(row: CredentialRow): Principal {
    const limit = row.permission_limit?.toSorted();
    const text = (value: string) => this.#texts.get(value, () => value);
    const organization = organizationOf(row);
    return {
      type: PrincipalType.SERVICE_ACCOUNT,
      id: row.service_account_id,
      organizationId: text(row.organization_id),
      organization: this.#organizations.get(JSON.stringify(organization), () => organization),
      accountId: text(row.account_id),
      name: row.service_account_name,
      email: "",
      apiKeyId: row.id,
      sessionId: "",
      groups: readGroups(row.groups),
      policies: policySlice(row.permissions, row.policies),
      permissionLimit: limit ? this.#limits.get(limit.join(" "), () => new Set(limit)) : null,
      epoch: row.access_epoch,
    };
  }
}

function hourOf(time: number): number {
  return Math.floor(time / hourMs);
}

function refusalOf(row: CredentialRow): CredentialRefusal | undefined {
  if (row.revoke_time !== null) return "API_KEY_REVOKED";
  if (row.disable_time !== null) return "API_KEY_DISABLED";
  if (row.delete_time !== null) return "SERVICE_ACCOUNT_DELETED";
  if (row.service_account_disable_time !== null) return "SERVICE_ACCOUNT_DISABLED";
  return undefined;
}

function endOf({ expire_time, retire_time }: CredentialRow): number | undefined {
  const ends = [expire_time, retire_time].flatMap((end) => end?.getTime() ?? []);
  return ends.length === 0 ? undefined : Math.min(...ends);
}

const unlimited: readonly RateLimit[] = [];

function limitsOf(row: CredentialRow): readonly RateLimit[] {
  const limits = [
    { id: row.id, perSecond: row.rate_per_second, burst: row.rate_burst },
    {
      id: row.service_account_id,
      perSecond: row.service_account_rate_per_second,
      burst: row.service_account_rate_burst,
    },
  ].filter((limit): limit is RateLimit => limit.perSecond !== null && limit.burst !== null);
  return limits.length === 0 ? unlimited : limits;
}

/** Bytes, rather too many: what is shared is counted with each. */
function sizeOf({ principal, allowlists, limits }: Credential): number {
  const { name, groups, policies } = principal;
  const shared = 50 * groups.length + 500 * policies.statements.length + allowlists.bytes;
  return 700 + 2 * name.length + 100 * limits.length + shared;
}
