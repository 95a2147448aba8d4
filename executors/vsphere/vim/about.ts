import { vimFault } from './fault.js';
import type { Transport } from './transport.js';

const QUESTION = `<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body><RetrieveServiceContent xmlns="urn:vim25"><_this type="ServiceInstance">ServiceInstance</_this></RetrieveServiceContent></soapenv:Body></soapenv:Envelope>`;

/** Version and build of a vCenter, asked without its WSDL: they name the cached one. */
export async function readAbout(
  transport: Transport,
  signal?: AbortSignal,
): Promise<{ readonly version: string; readonly build: string }> {
  const { status, body } = await transport.send({
    method: 'POST',
    path: '/sdk',
    headers: { 'Content-Type': 'text/xml; charset=utf-8', SOAPAction: '"urn:vim25/6.0"' },
    body: QUESTION,
    deadlineMs: 30_000,
    signal,
  });
  const about = /<(?:\w+:)?about\b[\s\S]*?<\/(?:\w+:)?about>/.exec(String(body))?.[0] ?? '';
  const field = (name: string) => new RegExp(`<(?:\\w+:)?${name}>([^<]*)<`).exec(about)?.[1] ?? '';
  const [version, build] = [field('version'), field('build')];
  if (status === 200 && version !== '') return { version, build };
  throw vimFault(
    'RetrieveServiceContent',
    'SystemError',
    `HTTP status ${status}; not a vCenter, or one that is starting`,
  );
}
