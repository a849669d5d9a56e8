import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type PeerCertificate } from "node:tls";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { signingInterceptor } from "pdaas";
import { afterAll, beforeAll, expect, test } from "vitest";
import { OrganizationService } from "../../gen/pdaas/v1/organization_service_pb.ts";
import { type TestKey, TestService } from "../harness/service.ts";

const folder = mkdtempSync(join(tmpdir(), "pdaas-tls-"));
const certFile = join(folder, "cert.pem");
const keyFile = join(folder, "key.pem");
let plain: TestService;
let key: TestKey;
let service: Awaited<ReturnType<TestService["replica"]>>;

beforeAll(async () => {
  plain = await TestService.start();
  key = await plain.issueKey();
  makeCertificate("first");
  install("first");
  service = await plain.replica({ PDAAS_TLS_CERT_FILE: certFile, PDAAS_TLS_KEY_FILE: keyFile });
});
afterAll(async () => {
  await plain[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

function makeCertificate(name: string): void {
  const out = (suffix: string) => join(folder, `${name}.${suffix}`);
  execFileSync(
    "openssl",
    [
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"],
      ...["-days", "1", "-subj", `/CN=${name}`, "-addext", "subjectAltName=IP:127.0.0.1"],
      ...["-keyout", out("key"), "-out", out("cert")],
    ],
    { stdio: "ignore" },
  );
}

function install(name: string): void {
  copyFileSync(join(folder, `${name}.cert`), certFile);
  copyFileSync(join(folder, `${name}.key`), keyFile);
}

/** The name in the certificate that a server shows. */
async function shown(address: string): Promise<string> {
  const port = Number(address.split(":").at(-1));
  const { promise, resolve, reject } = Promise.withResolvers<PeerCertificate>();
  const options = { host: "127.0.0.1", port, rejectUnauthorized: false, ALPNProtocols: ["h2"] };
  const socket = connect(options, () => resolve(socket.getPeerCertificate()));
  socket.on("error", reject);
  const { subject } = await promise;
  socket.destroy();
  return String(subject.CN);
}

test("both servers speak TLS, and signed calls work", async () => {
  const ca = readFileSync(certFile);
  for (const baseUrl of [service.httpUrl, `https://${service.grpcAddress}`]) {
    expect(baseUrl).toMatch(/^https:/);
    const transport = createGrpcTransport({
      baseUrl,
      nodeOptions: { ca },
      interceptors: [signingInterceptor(key)],
    });
    const { organization } = await createClient(OrganizationService, transport).getOrganization({});
    expect(organization?.slug).toBe("myorg");
  }
});

test("a new certificate is taken into use, and a broken pair is not", async () => {
  expect(await shown(service.grpcAddress)).toBe("first");
  makeCertificate("second");
  copyFileSync(join(folder, "second.cert"), certFile);
  await expect.poll(() => plain.log.join("")).toContain("certificate not taken into use");
  expect(await shown(service.httpUrl)).toBe("first");
  copyFileSync(join(folder, "second.key"), keyFile);
  await expect.poll(() => shown(service.httpUrl), { timeout: 5_000 }).toBe("second");
  await expect.poll(() => shown(service.grpcAddress), { timeout: 5_000 }).toBe("second");
});
