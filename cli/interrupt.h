/* Ctrl-C and SIGTERM as a question that long work asks now and then, instead of as a sudden end. The first signal asks
 * for the end, the second one ends the process at once. Knows nothing of the work. */
#ifndef ROTOR_CLI_INTERRUPT_H
#define ROTOR_CLI_INTERRUPT_H

#define EXIT_INTERRUPTED 128 /* plus the number of the signal, as shells have it */

/* From here on SIGINT and SIGTERM are questions, except those that the process was started to ignore. Where no thread
 * can be started to take them they end the process as ever. To be called once, before other threads are started. */
void rotor_cli_interrupt_start(void);

/* The signal that has asked for the end, or 0. */
int rotor_cli_interrupted(void);

/* "SIGINT" or "SIGTERM". */
const char *rotor_cli_interrupt_name(int number);

/* `wake` is called, from another thread, when the first signal comes, or now if it has come already. With NULL, nothing
 * is called any more: no call is running when this returns. */
void rotor_cli_interrupt_wake(void (*wake)(void *context), void *context);

#endif
