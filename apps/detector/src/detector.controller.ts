import { Controller, Inject } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { onStream } from '@kuramori/bus';
import { consumers } from '@kuramori/contracts';
import { Detector } from './detector';

/** Both streams come in here. */
@Controller()
export class DetectorController {
  constructor(@Inject(Detector) private readonly detector: Detector) {}

  @onStream(consumers.detectorFiles)
  async files(@Payload() body: unknown): Promise<void> {
    await this.detector.onFileBatch(body);
  }

  @onStream(consumers.detectorVault)
  async vault(@Payload() body: unknown): Promise<void> {
    await this.detector.onVaultStored(body);
  }
}
