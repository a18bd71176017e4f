/* What a sub-command is. To add one: write its run function in a file cmd_NAME.c, declare it here, and give it a line
 * in the table of main.c. Knows nothing of what the sub-commands do. */
#ifndef ROTOR_CLI_COMMAND_H
#define ROTOR_CLI_COMMAND_H

/* The exit codes of the tool; beside them, 128 and the number of the signal that ended long work. */
enum {
    EXIT_YES = 0,    /* done, or the proof is valid, or the tree is whole */
    EXIT_NO = 1,     /* the proof is not valid, the tree does not hold the leaf, or is damaged */
    EXIT_NOT_RUN = 2 /* usage, unreadable or malformed input, no memory, output that could not be written */
};

typedef struct cli_command {
    const char *name;
    const char *summary; /* one line for the list of sub-commands */
    /* Returns an exit code. argv[0] is "rotortree NAME", the arguments follow. */
    int (*run)(int argc, char **argv);
} cli_command;

int rotor_cli_backup(int argc, char **argv);
int rotor_cli_build(int argc, char **argv);
int rotor_cli_check(int argc, char **argv);
int rotor_cli_checkpoint(int argc, char **argv);
int rotor_cli_consistency(int argc, char **argv);
int rotor_cli_export(int argc, char **argv);
int rotor_cli_import(int argc, char **argv);
int rotor_cli_init(int argc, char **argv);
int rotor_cli_insert(int argc, char **argv);
int rotor_cli_prove(int argc, char **argv);
int rotor_cli_repair(int argc, char **argv);
int rotor_cli_root(int argc, char **argv);
int rotor_cli_stat(int argc, char **argv);
int rotor_cli_truncate(int argc, char **argv);
int rotor_cli_verify(int argc, char **argv);

#endif
