import { PrincipalType } from "../../../../gen/pdaas/v1/auth_service_pb.ts";
import {
  GroupService,
  type GroupMember as MemberMessage,
  type Group as Message,
} from "../../../../gen/pdaas/v1/group_service_pb.ts";
import type { Caller, CallOptions } from "../caller.ts";
import { Listing, type PageOptions, toPage } from "../listing.ts";
import { dateOf, maskOf, type NameOf, nameOf, present } from "./plain.ts";

/** Users and service accounts that policies are attached to together. */
export interface Group {
  /** `grp_…` */
  id: string;
  /** Unique in the organization. */
  name: string;
  description: string;
  /** Changes with every change of the group itself; members do not count. */
  etag: string;
  createTime: Date;
  updateTime: Date;
}

/** A user or a service account in a group. */
export interface GroupMember {
  /** `grp_…` */
  groupId: string;
  /** `usr_…` or `svc_…` */
  memberId: string;
  memberType: NameOf<typeof PrincipalType>;
  memberName: string;
  /** When it was added. */
  createTime: Date;
}

export interface CreateGroupParams {
  /** Unique in the organization. */
  name: string;
  /** What the group is for. */
  description?: string | undefined;
  /** Names the creation, so that repeating it creates nothing more; a UUID when absent. */
  requestId?: string | undefined;
}

export interface GroupParams {
  /** `grp_…` */
  groupId: string;
}

export interface GroupChangeParams extends GroupParams {
  /** The etag of the state that the change is meant for; any state when absent. */
  etag?: string | undefined;
}

/** What is absent stays as it is. */
export interface UpdateGroupParams extends GroupChangeParams {
  name?: string | undefined;
  description?: string | undefined;
}

export interface ListGroupsParams extends PageOptions {
  /** Only those that this user or service account is in, `usr_…` or `svc_…`. */
  memberId?: string | undefined;
}

export interface GroupMemberParams extends GroupParams {
  /** The user or the service account, `usr_…` or `svc_…`. */
  memberId: string;
}

export interface ListGroupMembersParams extends GroupParams, PageOptions {}

const { method } = GroupService;

/** `client.groups`. Every method throws PdaasError. */
export class Groups {
  readonly #caller: Caller;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  /** Creates a group without members. */
  async create(params: CreateGroupParams, options?: CallOptions): Promise<Group> {
    const { name, description = "", requestId = crypto.randomUUID() } = params;
    const request = { name, description, requestId };
    return unwrap(await this.#caller.call(method.createGroup, request, options));
  }

  /** Gets a group. */
  async get({ groupId }: GroupParams, options?: CallOptions): Promise<Group> {
    return unwrap(await this.#caller.call(method.getGroup, { groupId }, options));
  }

  /** Lists the organization's groups, or those that somebody is in, oldest first. */
  list(params: ListGroupsParams = {}, options?: CallOptions): Listing<Group> {
    const { memberId = "", pageSize = 0 } = params;
    return new Listing(async (pageToken) => {
      const request = { memberId, pageSize, pageToken };
      const answer = await this.#caller.call(method.listGroups, request, options);
      return toPage(answer.groups.map(toGroup), answer.nextPageToken);
    }, params.pageToken);
  }

  /** Changes the fields that are given. */
  async update(params: UpdateGroupParams, options?: CallOptions): Promise<Group> {
    const { groupId, name, description, etag = "" } = params;
    const request = {
      groupId,
      name: name ?? "",
      description: description ?? "",
      updateMask: maskOf({ name, description }),
      etag,
    };
    return unwrap(await this.#caller.call(method.updateGroup, request, options));
  }

  /** Deletes a group for good, with its memberships and attachments. */
  async delete({ groupId, etag = "" }: GroupChangeParams, options?: CallOptions): Promise<void> {
    await this.#caller.call(method.deleteGroup, { groupId, etag }, options);
  }

  /** Adds a user or a service account to a group. Adding a member again changes nothing. */
  async addMember(params: GroupMemberParams, options?: CallOptions): Promise<GroupMember> {
    const { groupId, memberId } = params;
    const settings = { ...options, repeatable: true };
    const request = { groupId, memberId };
    const { groupMember } = await this.#caller.call(method.addGroupMember, request, settings);
    return toGroupMember(present(groupMember, "the member"));
  }

  /**
   * Removes a user or a service account from a group: once this has answered, what it could do only by
   * the group is refused. Removing what is no member changes nothing.
   */
  async removeMember(params: GroupMemberParams, options?: CallOptions): Promise<void> {
    const { groupId, memberId } = params;
    const settings = { ...options, repeatable: true };
    await this.#caller.call(method.removeGroupMember, { groupId, memberId }, settings);
  }

  /** Lists the members of a group, by identifier. */
  listMembers(params: ListGroupMembersParams, options?: CallOptions): Listing<GroupMember> {
    const { groupId, pageSize = 0 } = params;
    return new Listing(async (pageToken) => {
      const request = { groupId, pageSize, pageToken };
      const answer = await this.#caller.call(method.listGroupMembers, request, options);
      return toPage(answer.groupMembers.map(toGroupMember), answer.nextPageToken);
    }, params.pageToken);
  }
}

function unwrap(answer: { group?: Message | undefined }): Group {
  return toGroup(present(answer.group, "the group"));
}

function toGroup(message: Message): Group {
  return {
    id: message.id,
    name: message.name,
    description: message.description,
    etag: message.etag,
    createTime: dateOf(present(message.createTime, "create_time")),
    updateTime: dateOf(present(message.updateTime, "update_time")),
  };
}

function toGroupMember(message: MemberMessage): GroupMember {
  const { groupId, memberId, memberType, memberName, createTime } = message;
  return {
    groupId,
    memberId,
    memberType: nameOf(PrincipalType, memberType),
    memberName,
    createTime: dateOf(present(createTime, "create_time")),
  };
}
