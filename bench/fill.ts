import { sql } from "kysely";
import type { SigningKey } from "pdaas";
import { newAccessKey, newId } from "../src/ids.ts";
import { makeSecret } from "../src/rpc/api-key/secret.ts";
import type { App } from "../src/rpc/app.ts";
import { insertAccount } from "../src/store/accounts.ts";
import type { Transaction } from "../src/store/database.ts";
import { findOrganization, type OrganizationRow } from "../src/store/organizations.ts";

/** How many keys to make. */
export interface Counts {
  /** Service accounts, with one key each that can sign. */
  usable: number;
  /** Keys besides it that each service account has. */
  others: number;
}

/** Stored in one statement, which may take 10 seconds. */
const batchSize = 2_000;
const serviceAccountsPerAccount = 1_000;
const permissionSets = [
  ["ServiceAccounts.read"],
  ["ApiKeys.read", "ServiceAccounts.read"],
  ["Accounts.read", "ApiKeys.read", "ServiceAccounts.read"],
  ["*"],
];

/**
 * Fills an organization with service accounts and keys, by SQL: by the handlers it would take an hour.
 * @returns the keys that can sign
 */
export async function fill(
  app: App,
  organizationId: string,
  { usable, others }: Counts,
): Promise<SigningKey[]> {
  const organization = await findOrganization(app.db, organizationId);
  if (organization === undefined) throw new Error("the organization is not there");
  const keys: SigningKey[] = [];
  for (let start = 0; start < usable; start += batchSize) {
    const numbers = Array.from(
      { length: Math.min(batchSize, usable - start) },
      (_, i) => start + i,
    );
    const rows = numbers.map((number) => rowsOf(app, organization, number));
    await app.db.transaction().execute(async (tx) => {
      // No foreign keys are checked: what they would hold is so by construction.
      await sql`set local session_replication_role = replica`.execute(tx);
      await addAccounts(tx, organizationId, numbers);
      await insert(
        tx,
        "service_accounts",
        rows.map(({ serviceAccount }) => serviceAccount),
      );
      await insert(
        tx,
        "api_keys",
        rows.map(({ apiKey }) => apiKey),
      );
      await addOthers(
        tx,
        rows.map(({ apiKey }) => apiKey.id),
        others,
      );
    });
    keys.push(...rows.map((row) => row.key));
  }
  // Now, and not at a time of its own choice: its plans are those of full tables from the first call on.
  await sql`analyze`.execute(app.db);
  return keys;
}

function accountIdOf(number: number): string {
  return `team-${Math.floor(number / serviceAccountsPerAccount)}`;
}

async function addAccounts(
  tx: Transaction,
  organizationId: string,
  numbers: number[],
): Promise<void> {
  for (const account of new Set(numbers.map(accountIdOf))) {
    const row = { organization_id: organizationId, id: account, name: account, description: "" };
    await insertAccount(tx, row);
  }
}

/** Every second key has a limit of its own, and a name with labels. */
function rowsOf(app: App, organization: OrganizationRow, number: number) {
  const serviceAccountId = newId("svc");
  const accountId = accountIdOf(number);
  const id = newId("key");
  const accessKey = newAccessKey(organization.slug, accountId);
  const { secretKey, columns } = makeSecret(app, organization, id);
  const isPlain = number % 2 === 0;
  const serviceAccount = {
    id: serviceAccountId,
    organization_id: organization.id,
    account_id: accountId,
    name: `Settlement export to ledger ${number}`,
    description: "Writes the settlements of the day to the ledger every night.",
    permissions: permissionSets[number % permissionSets.length],
  };
  const apiKey = {
    ...columns,
    id,
    organization_id: organization.id,
    service_account_id: serviceAccountId,
    access_key: accessKey,
    description: "Of the scheduler in the first data centre.",
    name: isPlain ? "" : `ledger-export-${number}`,
    labels: isPlain ? {} : { environment: "production", region: "eu-central-1", team: accountId },
    permission_limit: isPlain ? null : ["ApiKeys.read", "ServiceAccounts.read"],
    sealed_secret: `\\x${columns.sealed_secret.toString("hex")}`,
    secret_fingerprint: `\\x${columns.secret_fingerprint.toString("hex")}`,
  };
  return { serviceAccount, apiKey, key: { accessKey, secretKey } };
}

/** All rows in one parameter: one each would be more than a statement may have. */
async function insert(tx: Transaction, table: string, rows: object[]): Promise<void> {
  const columns = sql.join(Object.keys(rows[0] ?? {}).map((name) => sql.ref(name)));
  const name = sql.table(table);
  await sql`
    insert into ${name} (${columns})
    select ${columns} from json_populate_recordset(null::${name}, ${JSON.stringify(rows)})`.execute(
    tx,
  );
}

/** The other keys of the same service accounts: copies under other names, whose secrets do not open. */
async function addOthers(tx: Transaction, ids: string[], others: number): Promise<void> {
  await sql`
    insert into api_keys (id, organization_id, service_account_id, access_key, algorithm, sealed_secret,
      secret_version, secret_fingerprint, description, name, labels, permission_limit)
    select id || n, organization_id, service_account_id, access_key || n, algorithm, sealed_secret,
      secret_version, decode(md5(id || n), 'hex'), description, name, labels, permission_limit
    from api_keys cross join generate_series(1, ${others}::integer) as n
    where id = any(${ids})`.execute(tx);
}
