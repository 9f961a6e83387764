#include "compiler/optimize.h"

#include <llvm/Analysis/GlobalsModRef.h>
#include <llvm/Passes/PassBuilder.h>
#include <llvm/Transforms/AggressiveInstCombine/AggressiveInstCombine.h>
#include <llvm/Transforms/IPO/ElimAvailExtern.h>
#include <llvm/Transforms/IPO/GlobalDCE.h>
#include <llvm/Transforms/IPO/Inliner.h>
#include <llvm/Transforms/InstCombine/InstCombine.h>
#include <llvm/Transforms/Scalar/ADCE.h>
#include <llvm/Transforms/Scalar/BDCE.h>
#include <llvm/Transforms/Scalar/CorrelatedValuePropagation.h>
#include <llvm/Transforms/Scalar/DeadStoreElimination.h>
#include <llvm/Transforms/Scalar/EarlyCSE.h>
#include <llvm/Transforms/Scalar/GVN.h>
#include <llvm/Transforms/Scalar/IndVarSimplify.h>
#include <llvm/Transforms/Scalar/JumpThreading.h>
#include <llvm/Transforms/Scalar/LICM.h>
#include <llvm/Transforms/Scalar/LoopDeletion.h>
#include <llvm/Transforms/Scalar/LoopPassManager.h>
#include <llvm/Transforms/Scalar/LoopRotation.h>
#include <llvm/Transforms/Scalar/LoopSimplifyCFG.h>
#include <llvm/Transforms/Scalar/LoopUnrollPass.h>
#include <llvm/Transforms/Scalar/Reassociate.h>
#include <llvm/Transforms/Scalar/SCCP.h>
#include <llvm/Transforms/Scalar/SROA.h>
#include <llvm/Transforms/Scalar/SimpleLoopUnswitch.h>
#include <llvm/Transforms/Scalar/SimplifyCFG.h>
#include <llvm/Transforms/Utils/LCSSA.h>
#include <llvm/Transforms/Utils/LoopSimplify.h>
#include <llvm/Transforms/Vectorize/LoopVectorize.h>
#include <llvm/Transforms/Vectorize/SLPVectorizer.h>
#include <llvm/Transforms/Vectorize/VectorCombine.h>

#include "compiler/checks.h"
#include "compiler/guess_steps.h"
#include "compiler/hoist_loads.h"
#include "compiler/version_loops.h"

namespace berth::compiler {

namespace {

using llvm::FunctionPassManager;

void add_simplification(FunctionPassManager& passes, const wasm::Module& wasm) {
  passes.addPass(llvm::SROAPass(llvm::SROAOptions::ModifyCFG));
  passes.addPass(llvm::EarlyCSEPass(true));
  passes.addPass(llvm::SimplifyCFGPass());
  passes.addPass(llvm::InstCombinePass());
  passes.addPass(RemoveChecks(wasm));
}

void add_scalar(FunctionPassManager& passes, const wasm::Module& wasm) {
  passes.addPass(llvm::JumpThreadingPass());
  passes.addPass(llvm::CorrelatedValuePropagationPass());
  passes.addPass(llvm::SimplifyCFGPass());
  passes.addPass(llvm::InstCombinePass());
  passes.addPass(llvm::ReassociatePass());
  llvm::LoopPassManager loops;
  loops.addPass(llvm::LoopSimplifyCFGPass());
  loops.addPass(llvm::LoopRotatePass());
  loops.addPass(llvm::LICMPass(llvm::LICMOptions()));
  loops.addPass(llvm::SimpleLoopUnswitchPass());
  passes.addPass(llvm::createFunctionToLoopPassAdaptor(std::move(loops), true));
  passes.addPass(llvm::SimplifyCFGPass());
  passes.addPass(llvm::InstCombinePass());
  llvm::LoopPassManager inner;
  // Widened counters would hide the loop's test from VersionLoops.
  inner.addPass(llvm::IndVarSimplifyPass(false));
  inner.addPass(llvm::LoopDeletionPass());
  passes.addPass(llvm::createFunctionToLoopPassAdaptor(std::move(inner)));
  passes.addPass(ProveChecks(wasm));
  passes.addPass(llvm::GVNPass());
  passes.addPass(RemoveChecks(wasm));
  passes.addPass(llvm::SCCPPass());
  passes.addPass(llvm::BDCEPass());
  passes.addPass(llvm::InstCombinePass());
  passes.addPass(llvm::DSEPass());
  passes.addPass(llvm::createFunctionToLoopPassAdaptor(llvm::LICMPass(llvm::LICMOptions()), true));
  passes.addPass(llvm::ADCEPass());
  passes.addPass(llvm::AggressiveInstCombinePass());
  passes.addPass(llvm::SimplifyCFGPass());
  passes.addPass(llvm::InstCombinePass());
}

void add_vectorization(FunctionPassManager& passes) {
  // Headers that were too large to be copied have lost their checks.
  passes.addPass(llvm::createFunctionToLoopPassAdaptor(llvm::LoopRotatePass()));
  passes.addPass(llvm::LoopSimplifyPass());
  passes.addPass(llvm::LCSSAPass());
  passes.addPass(VersionLoops());
  passes.addPass(HoistLoads());
  passes.addPass(llvm::LoopVectorizePass());
  passes.addPass(llvm::InstCombinePass());
  passes.addPass(llvm::SimplifyCFGPass(
      llvm::SimplifyCFGOptions().convertSwitchToLookupTable(true).hoistCommonInsts(true).sinkCommonInsts(true)));
  passes.addPass(llvm::SLPVectorizerPass());
  passes.addPass(llvm::VectorCombinePass());
  passes.addPass(llvm::InstCombinePass());
  passes.addPass(llvm::LoopUnrollPass(llvm::LoopUnrollOptions(2)));
  passes.addPass(llvm::InstCombinePass());
  passes.addPass(llvm::createFunctionToLoopPassAdaptor(llvm::LICMPass(llvm::LICMOptions()), true));
  passes.addPass(llvm::SimplifyCFGPass());
}

}  // namespace

void optimize(llvm::Module& module, llvm::TargetMachine& machine, const wasm::Module& wasm, u32 level) {
  llvm::LoopAnalysisManager loop_analyses;
  llvm::FunctionAnalysisManager function_analyses;
  llvm::CGSCCAnalysisManager group_analyses;
  llvm::ModuleAnalysisManager module_analyses;
  // Guest code has no C library: no function is what its name says.
  llvm::TargetLibraryInfoImpl no_library(machine.getTargetTriple());
  no_library.disableAllFunctions();
  function_analyses.registerPass([&] { return llvm::TargetLibraryAnalysis(no_library); });
  llvm::PipelineTuningOptions tuning;
  llvm::PassBuilder builder(&machine, tuning);
  builder.registerModuleAnalyses(module_analyses);
  builder.registerCGSCCAnalyses(group_analyses);
  builder.registerFunctionAnalyses(function_analyses);
  builder.registerLoopAnalyses(loop_analyses);
  builder.crossRegisterProxies(loop_analyses, function_analyses, group_analyses, module_analyses);

  llvm::ModulePassManager passes;
  if (level > 0) {
    FunctionPassManager early;
    add_simplification(early, wasm);
    passes.addPass(llvm::createModuleToFunctionPassAdaptor(std::move(early)));
    if (level > 1) {
      llvm::ModuleInlinerWrapperPass inliner(llvm::getInlineParams(level, 0));
      FunctionPassManager inlined;
      add_simplification(inlined, wasm);
      inliner.getPM().addPass(llvm::createCGSCCToFunctionPassAdaptor(std::move(inlined)));
      passes.addPass(std::move(inliner));
      passes.addPass(llvm::EliminateAvailableExternallyPass());
    }
    FunctionPassManager main;
    add_scalar(main, wasm);
    if (level > 1) add_vectorization(main);
    passes.addPass(llvm::createModuleToFunctionPassAdaptor(std::move(main)));
  }
  if (level > 0) passes.addPass(llvm::createModuleToFunctionPassAdaptor(llvm::SimplifyCFGPass()));
  // Nothing after this may make a select of a branch: see may_become_conditional.
  passes.addPass(llvm::createModuleToFunctionPassAdaptor(LowerChecks(wasm)));
  if (level > 0) passes.addPass(llvm::createModuleToFunctionPassAdaptor(llvm::EarlyCSEPass()));
  if (level > 1) passes.addPass(llvm::createModuleToFunctionPassAdaptor(GuessSteps()));
  passes.run(module, module_analyses);
}

}  // namespace berth::compiler
