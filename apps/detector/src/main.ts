import { runService } from '@kuramori/ops';
import { detectorModule } from './detector.module';

void runService({ name: 'detector', module: detectorModule });
