import type { Actor } from '@kuramori/contracts';

/** Never part of an attack's tree, nor anything above them: logins, jobs and services begin here. */
const boundaries = new Set([
  ...['systemd', 'init', 'runit', 'runsvdir', 's6-svscan', 'openrc', 'supervisord', 'launchd'],
  ...['sshd', 'sshd-session', 'login', 'getty', 'agetty', 'su', 'sudo', 'doas', 'cron', 'crond', 'anacron', 'atd', 'xinetd'],
  ...['tmux', 'tmux: server', 'screen', 'SCREEN', 'zellij', 'containerd-shim', 'containerd', 'dockerd', 'runc', 'conmon', 'podman', 'lxc-start'],
  ...['smbd', 'nfsd', 'rsyncd', 'vsftpd', 'proftpd', 'apache2', 'nginx'],
]);

/**
 * Keys of the trees an actor belongs to, itself first, then its ancestors up to the leader of its session: what stands above existed before the job.
 * `root` gives a readable name for messages.
 */
export function treesOf(actor: Actor): { readonly key: string; readonly pid: number }[] {
  if (actor.kind !== 'process' || actor.pid === undefined) return [];
  const trees = [{ key: actor.key, pid: actor.pid }];
  if (actor.pid === actor.sessionId) return trees;
  const prefix = actor.key.slice(0, actor.key.indexOf(':', 'process:'.length) + 1);
  for (const ancestor of actor.ancestors ?? []) {
    if (ancestor.pid <= 1 || boundaries.has(ancestor.comm)) break;
    trees.push({ key: `${prefix}${ancestor.pid}:${ancestor.startTime}`, pid: ancestor.pid });
    if (ancestor.pid === actor.sessionId) break;
  }
  return trees;
}
