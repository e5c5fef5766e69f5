import { runService } from '@kuramori/ops';
import { notifierModule } from './notifier.module';

void runService({ name: 'notifier', module: async (context) => notifierModule(context) });
