/* What a sub-command is. To add one: write its run function in a file cmd_NAME.c, declare it here, and give it a line
 * in the table of main.c. Knows nothing of what the sub-commands do. */
#ifndef ROTOR_CLI_COMMAND_H
#define ROTOR_CLI_COMMAND_H

/* The exit codes of the tool. */
enum {
    EXIT_YES = 0,    /* done, or the proof is valid */
    EXIT_NO = 1,     /* the proof is not valid, or the tree does not hold the leaf */
    EXIT_NOT_RUN = 2 /* usage, unreadable or malformed input, no memory, output that could not be written */
};

typedef struct cli_command {
    const char *name;
    const char *summary; /* one line for the list of sub-commands */
    /* Returns an exit code. argv[0] is "rotortree NAME", the arguments follow. */
    int (*run)(int argc, char **argv);
} cli_command;

int rotor_cli_build(int argc, char **argv);
int rotor_cli_prove(int argc, char **argv);
int rotor_cli_verify(int argc, char **argv);
int rotor_cli_consistency(int argc, char **argv);

#endif
