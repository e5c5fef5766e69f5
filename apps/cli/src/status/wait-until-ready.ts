import { setTimeout as delay } from 'node:timers/promises';
import cliProgress from 'cli-progress';
import { formatBytes, formatCount } from '../output/format';
import type { StatusReport } from './status-report';

const pollMs = 250;
/** Where no bar can be drawn, a line at this pace says that it goes on. */
const lineEveryMs = 5000;

/** Asks again until everything is protected or the time is out; shows the progress on stderr. The last report. */
export async function waitUntilReady(collect: () => Promise<StatusReport>, timeoutMs: number): Promise<StatusReport> {
  const deadline = performance.now() + timeoutMs;
  const progress = process.stderr.isTTY ? drawBar() : writeLines();
  try {
    for (;;) {
      const report = await collect();
      progress.show(report);
      if (report.ready || performance.now() >= deadline) return report;
      await delay(Math.min(pollMs, Math.max(0, deadline - performance.now())));
    }
  } finally {
    progress.stop();
  }
}

interface Progress {
  show(report: StatusReport): void;
  stop(): void;
}

const doing = ({ ready, reasons }: StatusReport) => (ready ? 'protected' : (reasons[0] ?? ''));

function drawBar(): Progress {
  const bar = new cliProgress.SingleBar(
    { format: '{bar} {files} files, {bytes}  {doing}', hideCursor: true, stream: process.stderr, clearOnComplete: true, linewrap: false },
    cliProgress.Presets.shades_classic,
  );
  let drawn = false;
  return {
    show(report) {
      const { files, bytes, totalFiles, pending } = report.protection;
      const total = Math.max(totalFiles ?? files + pending, files, 1);
      const payload = { files: formatCount(files), bytes: formatBytes(bytes), doing: doing(report) };
      if (!drawn) bar.start(total, files, payload);
      drawn = true;
      bar.setTotal(total);
      bar.update(report.ready ? total : Math.min(files, total - 1), payload);
    },
    stop: () => bar.stop(),
  };
}

function writeLines(): Progress {
  let lastMs = Number.NEGATIVE_INFINITY;
  let last = '';
  return {
    show(report) {
      const line = `${formatCount(report.protection.files)} files protected; ${doing(report)}`;
      if (line === last || performance.now() - lastMs < lineEveryMs) return;
      last = line;
      lastMs = performance.now();
      process.stderr.write(`${line}\n`);
    },
    stop: () => undefined,
  };
}
