export { CompactRange, emptyRoot, foldedRoot, leafHash, nodeHash } from "./merkle.ts";
export { verifyConsistency, verifyInclusion } from "./merkle-proofs.ts";
