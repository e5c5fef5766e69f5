export { HealthController } from './health.controller';
export { HealthRegistry, type HealthReport, type HealthStatus, type ProbeResult } from './health';
export { PinoLogger } from './logger';
export { gauge } from './metrics';
export { coreModule, LOGGER, runService, servicePort, SETTINGS, StartError } from './run-service';
