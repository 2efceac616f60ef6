/**
 * What a device does with a group, in one place: begin it, invite, read an invitation and join, take what members say,
 * and make the lists converge (PROTOCOL.md section 8).
 */
export { introduce, receiveContent } from './convergence.js'
export { readInvitation } from './invitation.js'
export {
  cancelInvitation,
  createGroup,
  expireInvitations,
  type Invited,
  inviteMember,
  joinGroup,
} from './joining.js'
export { checkName } from './names.js'
