/* Directories of the Rust crate `rotortree` 0.15: reading one into a tree, writing one from a snapshot. What those
 * directories hold byte by byte is in frames.h. Uses trees through the public functions only, like any other client. */
#ifndef ROTOR_REFERENCE_REFERENCE_H
#define ROTOR_REFERENCE_REFERENCE_H

#include "os/os.h"
#include "reference/source.h"
#include "rotortree.h"

/* As the public functions; `os` is where the crate's directory is. The tree at `path` is a file of the system's. */
rotor_status rotor_reference_import(const rotor_os *os, const char *source, const char *path,
                                    const rotor_options *options, rotor_import_report *report, rotor_progress *progress,
                                    void *context, rotor_error *error);
rotor_status rotor_reference_export(const rotor_os *os, const rotor_snapshot *snapshot, const char *destination,
                                    rotor_progress *progress, void *context, rotor_error *error);

/* The part of an import that fills `tree`, which is empty and of the source's arity and maximum depth. When it fails,
 * the tree may hold some of the leaves. */
rotor_status rotor_reference_load(rotor_reference_source *source, rotor_tree *tree, rotor_import_report *report,
                                  rotor_progress *progress, void *context, rotor_error *error);

#endif
