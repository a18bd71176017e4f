# Tests that take minutes under valgrind, because they are exhaustive or large; what they call is called by others too.
set(rotor_tests_too_long_for_memcheck
  test_kernels            # every kernel, arity, group count and alignment
  test_proof_consistency  # all triples of old size, new size and member
  test_proof_inclusion    # every single bit of every proof
  test_stress             # threads for a fixed number of rounds, which valgrind runs one at a time
  test_tree_large         # millions of leaves
  test_store_damage       # every bit and every length of every file
  test_store_damage_canary
  test_checkpoint_sizes   # thousands of checkpoints
  test_store_truncate     # thousands of histories
  test_store_stress       # as test_stress
  fault_store             # a whole life for each call that can fail
)

# Scripts that run once, against the release build: there is nothing of the library's in them that a sanitizer could see.
set(rotor_scripts_of_the_release_alone
  test_bench_report
)
