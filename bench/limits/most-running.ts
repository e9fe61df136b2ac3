/** The most calls a client may have running, in every set-up. */
export const mostRunning = 100;
