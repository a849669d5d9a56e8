import { AuthService } from "../../../../gen/pdaas/v1/auth_service_pb.ts";
import {
  type InviteUserResponse,
  type User as Message,
  UserService,
  UserState,
} from "../../../../gen/pdaas/v1/user_service_pb.ts";
import type { Caller, CallOptions } from "../caller.ts";
import { Listing, type PageOptions, toPage } from "../listing.ts";
import { dateOf, filled, maskOf, type NameOf, nameOf, present } from "./plain.ts";
import { redacting } from "./redacted.ts";

/** A person of an organization. */
export interface User {
  /** `usr_…` */
  id: string;
  /** What the user logs in with, in lower case. */
  email: string;
  name: string;
  /** What it may do beside what policies say, sorted. */
  permissions: string[];
  /** Whether the user can log in. */
  state: NameOf<typeof UserState>;
  /** Changes with every change of the user. */
  etag: string;
  createTime: Date;
  updateTime: Date;
}

/**
 * What lets a user set a password, once; no later call returns it. `JSON.stringify` and Node's
 * `console.log` show `[redacted]` in place of the token and the link: read them themselves to send one.
 */
export interface Invitation {
  /** What `acceptInvitation` takes, `inv_…`. */
  invitationToken: string;
  /** A link with the token to the page that takes invitations; undefined where the service knows of none. */
  invitationLink: string | undefined;
  expireTime: Date;
}

/** What a user logs in with, beside the password. */
export interface AcceptedInvitation {
  organizationSlug: string;
  email: string;
}

export interface CreateUserParams {
  /** What the user logs in with, unique in the organization; case does not matter. */
  email: string;
  /** The display name; the email address when absent. */
  name?: string | undefined;
  /** What it may do beside what policies say, such as `ServiceAccounts.read`; nothing when absent. */
  permissions?: readonly string[] | undefined;
  /** Names the creation, so that repeating it creates nothing more; a UUID when absent. */
  requestId?: string | undefined;
}

export interface UserParams {
  /** `usr_…` */
  userId: string;
}

export interface UserChangeParams extends UserParams {
  /** The etag of the state that the change is meant for; any state when absent. */
  etag?: string | undefined;
}

/** What is absent stays as it is. */
export interface UpdateUserParams extends UserChangeParams {
  email?: string | undefined;
  name?: string | undefined;
  /** Replace the permissions that it has. */
  permissions?: readonly string[] | undefined;
}

export interface AcceptInvitationParams {
  /** The token of the invitation, `inv_…`. */
  invitationToken: string;
  /** The password to log in with from now on: 12 characters or more. */
  password: string;
}

const { method } = UserService;

/** `client.users`. Every method throws PdaasError. */
export class Users {
  readonly #caller: Caller;
  readonly #anonymousCaller: Caller;

  /** @param anonymousCaller calls without credentials */
  constructor(caller: Caller, anonymousCaller: Caller) {
    this.#caller = caller;
    this.#anonymousCaller = anonymousCaller;
  }

  /** Creates a user, who can log in once an invitation is accepted: see `invite`. */
  async create(params: CreateUserParams, options?: CallOptions): Promise<User> {
    const { email, name = "", requestId = crypto.randomUUID() } = params;
    const permissions = [...(params.permissions ?? [])];
    const request = { email, name, permissions, requestId };
    return unwrap(await this.#caller.call(method.createUser, request, options));
  }

  /**
   * Makes an invitation, with which the user sets a password: the first one, or a new one in the place of
   * one that is lost. Earlier invitations are void.
   */
  async invite({ userId }: UserParams, options?: CallOptions): Promise<Invitation> {
    const settings = { ...options, repeatable: true };
    return toInvitation(await this.#caller.call(method.inviteUser, { userId }, settings));
  }

  /**
   * Sets the password of an invited user, and ends all of its sessions. It is sent without this client's
   * credentials: the invitation is the proof.
   */
  async acceptInvitation(
    params: AcceptInvitationParams,
    options?: CallOptions,
  ): Promise<AcceptedInvitation> {
    const { invitationToken, password } = params;
    const request = { invitationToken, password };
    const { acceptInvitation } = AuthService.method;
    const answer = await this.#anonymousCaller.call(acceptInvitation, request, options);
    return { organizationSlug: answer.organizationSlug, email: answer.email };
  }

  /** Gets a user. */
  async get({ userId }: UserParams, options?: CallOptions): Promise<User> {
    return unwrap(await this.#caller.call(method.getUser, { userId }, options));
  }

  /** Lists the organization's users, oldest first. */
  list(params: PageOptions = {}, options?: CallOptions): Listing<User> {
    const { pageSize = 0 } = params;
    return new Listing(async (pageToken) => {
      const answer = await this.#caller.call(method.listUsers, { pageSize, pageToken }, options);
      return toPage(answer.users.map(toUser), answer.nextPageToken);
    }, params.pageToken);
  }

  /** Changes the fields that are given. */
  async update(params: UpdateUserParams, options?: CallOptions): Promise<User> {
    const { userId, email, name, permissions, etag = "" } = params;
    const request = {
      userId,
      email: email ?? "",
      name: name ?? "",
      permissions: [...(permissions ?? [])],
      updateMask: maskOf({ email, name, permissions }),
      etag,
    };
    return unwrap(await this.#caller.call(method.updateUser, request, options));
  }

  /** Stops a user: once this has answered, it has no session any more and cannot log in. */
  async disable({ userId, etag = "" }: UserChangeParams, options?: CallOptions): Promise<User> {
    const settings = { ...options, repeatable: etag === "" };
    return unwrap(await this.#caller.call(method.disableUser, { userId, etag }, settings));
  }

  /** Undoes disable. */
  async enable({ userId, etag = "" }: UserChangeParams, options?: CallOptions): Promise<User> {
    const settings = { ...options, repeatable: etag === "" };
    return unwrap(await this.#caller.call(method.enableUser, { userId, etag }, settings));
  }

  /** Deletes a user for good, with its sessions, memberships and attachments. */
  async delete({ userId, etag = "" }: UserChangeParams, options?: CallOptions): Promise<void> {
    await this.#caller.call(method.deleteUser, { userId, etag }, options);
  }
}

function toInvitation(answer: InviteUserResponse): Invitation {
  const invitation = {
    invitationToken: answer.invitationToken,
    invitationLink: filled(answer.invitationLink),
    expireTime: dateOf(present(answer.expireTime, "expire_time")),
  };
  return redacting(invitation, "invitationToken", "invitationLink");
}

function unwrap(answer: { user?: Message | undefined }): User {
  return toUser(present(answer.user, "the user"));
}

function toUser(message: Message): User {
  return {
    id: message.id,
    email: message.email,
    name: message.name,
    permissions: [...message.permissions],
    state: nameOf(UserState, message.state),
    etag: message.etag,
    createTime: dateOf(present(message.createTime, "create_time")),
    updateTime: dateOf(present(message.updateTime, "update_time")),
  };
}
