import { executorSuite } from '../../conformance/conformance.js';
import { containerSubject } from './subject.js';

executorSuite('container', () => containerSubject());
