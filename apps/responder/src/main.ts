import { runService } from '@kuramori/ops';
import { responderModule } from './responder.module';

void runService({ name: 'responder', module: async (context) => responderModule(context) });
