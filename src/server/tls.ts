import { readFileSync } from "node:fs";
import { createSecureContext } from "node:tls";
import { experimental, ServerCredentials } from "@grpc/grpc-js";

/** A certificate chain and its private key, as PEM. */
export interface Tls {
  cert: Buffer;
  key: Buffer;
}

type GrpcListener = experimental.IdentityCertificateUpdateListener;

const intervalMs = 1_000;

/**
 * A certificate from files, taken into use when they change. A pair that does not fit, as while only
 * one of the two is replaced, is left alone: the last good one stays.
 */
export class Certificate implements experimental.CertificateProvider {
  readonly #certFile: string;
  readonly #keyFile: string;
  readonly #onBadPair: (error: unknown) => void;
  readonly #listeners = new Set<(tls: Tls) => void>();
  readonly #grpcListeners = new Map<GrpcListener, (tls: Tls) => void>();
  readonly #timer: NodeJS.Timeout;
  #current: Tls;
  /** The last pair that did not fit, which is told of once. */
  #bad: Tls | undefined;

  /** @throws Error when the files cannot be read or do not fit */
  constructor(
    files: { certFile: string; keyFile: string },
    onBadPair: (error: unknown) => void = () => {},
  ) {
    this.#certFile = files.certFile;
    this.#keyFile = files.keyFile;
    this.#onBadPair = onBadPair;
    this.#current = this.#read();
    createSecureContext(this.#current);
    this.#timer = setInterval(() => this.#refresh(), intervalMs).unref();
  }

  get current(): Tls {
    return this.#current;
  }

  onChange(listener: (tls: Tls) => void): void {
    this.#listeners.add(listener);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  addIdentityCertificateListener(listener: GrpcListener): void {
    const adapted = ({ cert, key }: Tls) => listener({ certificate: cert, privateKey: key });
    this.#grpcListeners.set(listener, adapted);
    this.#listeners.add(adapted);
    process.nextTick(adapted, this.#current);
  }

  removeIdentityCertificateListener(listener: GrpcListener): void {
    const adapted = this.#grpcListeners.get(listener);
    if (adapted !== undefined) this.#listeners.delete(adapted);
    this.#grpcListeners.delete(listener);
  }

  // Client certificates are not asked for, so there are no CA certificates to tell of.
  addCaCertificateListener(): void {}
  removeCaCertificateListener(): void {}

  #read(): Tls {
    return { cert: readFileSync(this.#certFile), key: readFileSync(this.#keyFile) };
  }

  #refresh(): void {
    let next: Tls | undefined;
    try {
      next = this.#read();
      if (isSame(next, this.#current) || isSame(next, this.#bad)) return;
      createSecureContext(next);
      this.#current = next;
      this.#bad = undefined;
    } catch (error) {
      this.#bad = next;
      this.#onBadPair(error);
      return;
    }
    for (const listener of this.#listeners) listener(this.#current);
  }
}

function isSame(a: Tls, b: Tls | undefined): boolean {
  return b !== undefined && a.cert.equals(b.cert) && a.key.equals(b.key);
}

/** What a gRPC server is bound with; without a certificate it speaks plain text. */
export function grpcCredentials(certificate: Certificate | undefined): ServerCredentials {
  if (certificate === undefined) return ServerCredentials.createInsecure();
  return experimental.createCertificateProviderServerCredentials(certificate, null, false);
}
