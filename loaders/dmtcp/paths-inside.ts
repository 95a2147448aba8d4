/** Where DMTCP's things are in a container. */
export const inside = {
  /** Its programs and libraries, read-only. */
  install: '/run/dmtcp/install',
  /** A directory in memory for its port, its temporary files and the pipes of a dump. */
  room: '/run/dmtcp/room',
  /** The image that a copy was brought back from, read-only. */
  image: '/run/dmtcp/image',
} as const;

/** The coordinator's port, as its own option writes it. */
export const portFile = `${inside.room}/port`;

/** The file in the room in which the init keeps the pids of those who wait for an answer by signal. */
export const askersFile = 'askers';

/** What the room may hold: nothing but images of processes that began in the moment of a dump is large. */
export const roomBytes = 2 ** 30;
