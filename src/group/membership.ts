/**
 * What a device does with a group, in one place: begin it, invite, read an invitation and join, take what members say,
 * and make the lists converge (PROTOCOL.md section 8).
 */
export { introduce, type Received, receiveContent } from './convergence.js'
export { type InvitationOpeningKeys, type Invitee, readInvitation } from './invitation.js'
export {
  createGroup,
  type GroupToCreate,
  type Invited,
  inviteMember,
  joinGroup,
  type NewcomerToInvite,
} from './joining.js'
export { checkName } from './names.js'
