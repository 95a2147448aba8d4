import { executorSuite } from '../../conformance/conformance.js';
import { vsphereSubject } from './subject.js';

executorSuite('vsphere', () => vsphereSubject());
