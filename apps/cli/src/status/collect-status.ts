import { get } from 'node:http';
import { servicePort, type Settings } from '@kuramori/config';
import { type ServiceName, serviceNames } from '@kuramori/contracts';
import type { ServiceHealth } from '@kuramori/ops';
import { assembleStatus, type ServiceAnswer, type StatusReport } from './status-report';

/** A service answers within 2 s whatever its checks do; the network adds little on one machine. */
const answerTimeoutMs = 3000;
const maxAnswerBytes = 1024 * 1024;

/** Asks every service how it is. Never rejects: no answer is an answer. */
export async function collectStatus(settings: Pick<Settings, 'http' | 'mode'>): Promise<StatusReport> {
  const answers = await Promise.all(serviceNames.map(async (name) => [name, await askHealth(settings, name)] as const));
  return assembleStatus(Object.fromEntries(answers) as Record<ServiceName, ServiceAnswer>, settings.mode);
}

export async function askHealth(settings: Pick<Settings, 'http'>, service: ServiceName): Promise<ServiceAnswer> {
  const port = servicePort(settings, service);
  const { bind } = settings.http;
  // Bound to every address, it is asked on the loopback one.
  const host = bind === '0.0.0.0' ? '127.0.0.1' : bind === '::' ? '::1' : bind;
  try {
    const body = JSON.parse(await fetchText(host, port, '/health/ready')) as Partial<ServiceHealth>;
    if (body.service !== service || typeof body.pid !== 'number' || body.status === undefined)
      throw new SyntaxError('not the health of this service');
    return { health: body as ServiceHealth };
  } catch (error) {
    if (error instanceof SyntaxError) return { down: `port ${port} answers, but it is another program` };
    const code = (error as NodeJS.ErrnoException).code;
    return { down: code === 'ECONNREFUSED' ? 'not running' : `no answer on port ${port} (${code ?? String(error)})` };
  }
}

function fetchText(host: string, port: number, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = get({ host, port, path, timeout: answerTimeoutMs, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
        if (text.length > maxAnswerBytes) request.destroy(new Error('the answer is too long'));
      });
      response.on('end', () => resolve(text));
      response.on('error', reject);
    });
    request.on('timeout', () => request.destroy(Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' })));
    request.on('error', reject);
  });
}
