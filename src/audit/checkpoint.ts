// What the log says of its trees, in the clients' own words, so that they read what it writes.
export {
  type Checkpoint,
  formatCheckpoint,
  type OrganizationRoot,
  organizationLeaf,
  parseCheckpoint,
} from "pdaas/audit";
