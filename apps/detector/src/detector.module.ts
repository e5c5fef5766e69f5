import { type DynamicModule, Module } from '@nestjs/common';
import { registerGauge, type ServiceContext } from '@kuramori/ops';
import { Detector } from './detector';
import { DetectorController } from './detector.controller';

@Module({ controllers: [DetectorController] })
export class DetectorModule {}

/** Rebuilds the state, then judges. */
export async function detectorModule({ settings, bus, health, metrics, log }: ServiceContext): Promise<DynamicModule> {
  const detector = new Detector({ settings, bus });
  const messages = await detector.rebuild();
  log.log(`state rebuilt from ${messages} messages`);
  health.register('judging', () => ({ status: 'healthy', details: { detector: detector.details() } }));
  for (const figure of ['facts', 'suspicion', 'warning', 'attack'] as const) {
    registerGauge(
      metrics,
      `kuramori_detector_${figure}_total`,
      figure === 'facts' ? 'Facts judged since the start' : `Verdicts of the level ${figure} since the start`,
      () => detector.figures()[figure],
    );
  }
  return { module: DetectorModule, providers: [{ provide: Detector, useValue: detector }] };
}
