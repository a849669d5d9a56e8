// Sends one signed request twice, as a thief would who has captured it: the second is refused.

import { signRequest } from "pdaas";

const { PDAAS_API_URL: baseUrl = "", PDAAS_ACCESS_KEY: accessKey = "" } = process.env;
const secretKey = process.env.PDAAS_SECRET_KEY ?? "";
const url = new URL("/pdaas.v1.AuthService/WhoAmI", baseUrl);
const body = new TextEncoder().encode("{}");
const contentType = "application/json";
const signature = signRequest({ method: "POST", url, body, contentType, accessKey, secretKey });

for (const attempt of ["first", "second"]) {
  const response = await fetch(url, {
    method: "POST",
    body,
    headers: { "content-type": contentType, ...signature },
  });
  process.stdout.write(`${attempt}: ${response.status} ${await response.text()}\n`);
}
