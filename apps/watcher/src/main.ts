import { runService } from '@kuramori/ops';
import { watcherModule } from './watcher.module';

void runService({ name: 'watcher', module: watcherModule });
