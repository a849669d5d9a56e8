import { type Principal, PrincipalType } from "../iam/principal.ts";
import { type CredentialRow, findCredential } from "../store/api-keys.ts";
import type { Database, Transaction } from "../store/database.ts";
import { organizationOf } from "../store/organizations.ts";
import { HmacKey } from "./hmac.ts";
import { dataKeyContext, type MasterKey, secretContext, unseal } from "./sealing.ts";

/** An API key, ready to check signatures with. */
export interface Credential {
  /** HMAC key: the UTF-8 bytes of the whole secret key. */
  readonly key: HmacKey;
  readonly principal: Principal;
  /** The organization's access epoch when this was read. */
  readonly epoch: number;
  /** Why signatures of this key are refused; undefined while they are honoured. */
  readonly refusal: CredentialRefusal | undefined;
}

export type CredentialRefusal =
  | "API_KEY_REVOKED"
  | "SERVICE_ACCOUNT_DISABLED"
  | "SERVICE_ACCOUNT_DELETED";

interface Entry {
  credential: Credential | undefined;
  /** Unix milliseconds after which the entry is read again; Infinity while only the epoch decides. */
  staleAt: number;
}

const maxEntries = 100_000;
/** What refuses is read again soon: an enabled account should not wait for an epoch that may not come. */
const refusalMs = 1_000;

/**
 * The credentials of API keys by access key. What is cached is good for as long as the
 * organization's access epoch stands: whoever uses a credential compares the two.
 */
export class Credentials {
  readonly #db: Database;
  readonly #masterKey: MasterKey;
  /** In order of use, so that the first is the one to drop. */
  readonly #entries = new Map<string, Entry>();
  readonly #loading = new Map<string, Promise<Credential | undefined>>();
  /** The newest epoch heard of, by organization. */
  readonly #epochs = new Map<string, number>();
  #generation = 0;

  constructor(db: Database, masterKey: MasterKey) {
    this.#db = db;
    this.#masterKey = masterKey;
  }

  /** The credential, from the cache if it may be: no promise then, and no query. */
  get(accessKey: string): Credential | undefined | Promise<Credential | undefined> {
    const entry = this.#entries.get(accessKey);
    if (entry === undefined || !this.#isCurrent(entry)) return this.#shared(accessKey);
    if (this.#isCrowded) this.#markUsed(accessKey, entry);
    return entry.credential;
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
    if (credential !== undefined && credential.epoch < epoch) return this.#load(accessKey);
    return credential;
  }

  /** The credential as a transaction sees it, which holds the epoch; nothing is cached. */
  async readIn(tx: Transaction, accessKey: string): Promise<Credential | undefined> {
    const row = await findCredential(tx, accessKey);
    return row === undefined ? undefined : this.#open(row);
  }

  /** Takes note of an epoch: what was read before it is not used again. */
  noteEpoch(organizationId: string, epoch: number): void {
    if (epoch > (this.#epochs.get(organizationId) ?? 0)) this.#epochs.set(organizationId, epoch);
  }

  /** Forgets everything, for when epochs may have been missed. */
  clear(): void {
    this.#generation++;
    this.#entries.clear();
    this.#loading.clear();
  }

  /** Whether the order of use will soon matter: keeping it costs more than the look-up. */
  get #isCrowded(): boolean {
    return this.#entries.size > maxEntries / 2;
  }

  #markUsed(accessKey: string, entry: Entry): void {
    this.#entries.delete(accessKey);
    this.#entries.set(accessKey, entry);
  }

  #isCurrent({ credential, staleAt }: Entry): boolean {
    if (staleAt !== Number.POSITIVE_INFINITY && Date.now() > staleAt) return false;
    if (credential === undefined) return true;
    return credential.epoch >= (this.#epochs.get(credential.principal.organizationId) ?? 0);
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
    const honoured = credential !== undefined && credential.refusal === undefined;
    const known = this.#entries.get(accessKey)?.credential;
    // Of two reads at once, the one that saw less must not win.
    if (known !== undefined && credential !== undefined && known.epoch > credential.epoch) return;
    const staleAt = honoured ? Number.POSITIVE_INFINITY : Date.now() + refusalMs;
    this.#markUsed(accessKey, { credential, staleAt });
    if (this.#entries.size > maxEntries) {
      this.#entries.delete(this.#entries.keys().next().value as string);
    }
  }

  #open(row: CredentialRow): Credential {
    const dataKey = unseal(
      this.#masterKey.key,
      row.sealed_data_key,
      dataKeyContext(row.organization_id),
    );
    const secret = unseal(
      dataKey,
      row.sealed_secret,
      secretContext(row.organization_id, row.id, row.secret_version),
    );
    return {
      key: new HmacKey(secret),
      epoch: row.access_epoch,
      refusal: refusalOf(row),
      principal: {
        type: PrincipalType.SERVICE_ACCOUNT,
        id: row.service_account_id,
        organizationId: row.organization_id,
        organization: organizationOf(row),
        accountId: row.account_id,
        name: row.service_account_name,
        email: "",
        apiKeyId: row.id,
        sessionId: "",
        permissions: new Set(row.permissions),
      },
    };
  }
}

function refusalOf(row: CredentialRow): CredentialRefusal | undefined {
  if (row.revoke_time !== null) return "API_KEY_REVOKED";
  if (row.delete_time !== null) return "SERVICE_ACCOUNT_DELETED";
  if (row.disable_time !== null) return "SERVICE_ACCOUNT_DISABLED";
  return undefined;
}
