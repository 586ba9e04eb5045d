"""Proofs that programs are equal: `equivalence.compare`, and `plan.verify_plan` for plans."""
