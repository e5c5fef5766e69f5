import { runService } from '@kuramori/ops';
import { vaultModule } from './vault.module';

// Restores sync many files at once, each in a thread of libuv's pool: the default of 4 would be the bottleneck. Read at the pool's first use.
process.env.UV_THREADPOOL_SIZE ??= '16';

void runService({ name: 'vault', module: async (context) => vaultModule(context) });
