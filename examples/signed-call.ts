// Makes a signed call with the key in PDAAS_ACCESS_KEY and PDAAS_SECRET_KEY.

import { Client } from "pdaas";

const client = new Client();
const caller = await client.whoAmI();
const organization = await client.organizations.getInfo();
process.stdout.write(
  `Signed as ${caller.name} (${caller.id}) of ${organization.slug}; may ${caller.permissions.join(", ")}\n`,
);
