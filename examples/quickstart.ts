// A person creates a service account and issues it a key; a program calls with that key.
//
//   PDAAS_EMAIL=admin@myorg.example PDAAS_PASSWORD=… PDAAS_ORGANIZATION=myorg npx node examples/quickstart.ts

import { Client, PdaasError } from "pdaas";

const baseUrl = process.env.PDAAS_API_URL ?? "http://127.0.0.1:8080";

const person = new Client({
  baseUrl,
  email: process.env.PDAAS_EMAIL ?? "admin@myorg.example",
  password: process.env.PDAAS_PASSWORD ?? "",
  organizationSlug: process.env.PDAAS_ORGANIZATION ?? "myorg",
});
const bot = await person.serviceAccounts.create({
  name: "CI/CD Bot",
  accountId: "acc-123",
  description: "Deploys what was merged",
});
const key = await person.serviceAccounts.issueKey({
  serviceAccountId: bot.id,
  description: "The build server's",
});
print(`${bot.name} is ${bot.id}, and its access key is ${key.accessKey}`);

const program = new Client({ baseUrl, accessKey: key.accessKey, secretKey: key.secretKey });
const organization = await program.organizations.getInfo();
print(`It calls as a member of ${organization.slug} (${organization.id})`);

try {
  await program.serviceAccounts.create({ name: "Another", accountId: "acc-123" });
} catch (error) {
  if (!(error instanceof PdaasError)) throw error;
  print(`Refused: ${error.code}, ${error.reason}: ${error.message}`);
}
await person.close();

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
