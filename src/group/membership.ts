/**
 * What a device does with a group, in one place: begin it, invite, read an invitation and join, take what members say, remove
 * and leave, and make histories and secrets of all converge (PROTOCOL.md section 8).
 */
export { attend, dueAt, introduce, receiveContent } from './convergence.js'
export { readInvitation } from './invitation.js'
export {
  cancelInvitation,
  createGroup,
  expireInvitations,
  type Invited,
  inviteMember,
  joinGroup,
  ownMember,
  rejoinGroup,
} from './joining.js'
export { leaveGroup } from './leaving.js'
export { checkName, renameMember } from './names.js'
export { isWhole, removeMembers } from './rekey.js'
export { planCheck } from './repair.js'
