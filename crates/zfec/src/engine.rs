//! The one hot loop, matrix times blocks, in several implementations.

mod portable;
mod reference;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod simd;
#[cfg(test)]
mod tests;

#[cfg(target_arch = "aarch64")]
use simd::neon;
#[cfg(target_arch = "x86_64")]
use simd::x86;

/// An implementation of the multiplication that this processor can run.
///
/// All engines compute the same bytes; one is named to measure or to test it.
#[derive(Clone, Copy, Debug)]
pub struct Engine(&'static dyn Multiply);

impl Engine {
    /// Returns the readable engine that the others are checked against.
    pub fn reference() -> Self {
        Self(&reference::Reference)
    }

    /// Returns all engines that run on this processor, the fastest one last.
    pub fn available() -> Vec<Self> {
        let mut engines = vec![Self::reference(), Self(&portable::Portable)];
        #[cfg(target_arch = "x86_64")]
        engines.extend(x86::available().into_iter().map(Self));
        #[cfg(target_arch = "aarch64")]
        engines.extend(neon::available().map(Self));
        engines
    }

    /// Returns the fastest engine that runs on this processor.
    pub fn fastest() -> Self {
        Self::available().pop().unwrap_or(Self(&portable::Portable))
    }

    /// Returns the name of the engine: what it is or which instructions it uses.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// Overwrites the outputs of a product.
    pub(crate) fn multiply(self, mut product: Product<'_, '_>) {
        if product.length > 0 {
            self.0.multiply(&mut product);
        }
    }
}

/// What an engine does.
trait Multiply: std::fmt::Debug + Send + Sync {
    /// Names the engine.
    fn name(&self) -> &'static str;

    /// Overwrites each output with the sum over all inputs of coefficient times input.
    fn multiply(&self, product: &mut Product<'_, '_>);
}

/// One multiplication: `outputs[r] = Σ_j rows[r][j] · inputs[j]` at each byte position.
///
/// The fields are private to the engines, which rely on what [`Product::new`] has checked.
pub(crate) struct Product<'a, 'b> {
    rows: &'a [&'a [u8]],
    inputs: &'a [&'a [u8]],
    outputs: &'a mut [&'b mut [u8]],
    /// The length of each input and each output in bytes.
    length: usize,
}

impl<'a, 'b> Product<'a, 'b> {
    /// Pairs rows with outputs and columns with inputs.
    ///
    /// # Panics
    ///
    /// If the shapes don't fit together. The callers in this crate have checked what they got from
    /// theirs; the check here is what the unsafe code stands on.
    pub(crate) fn new(
        rows: &'a [&'a [u8]],
        inputs: &'a [&'a [u8]],
        outputs: &'a mut [&'b mut [u8]],
    ) -> Self {
        let length = inputs.first().map_or(0, |input| input.len());
        assert_eq!(rows.len(), outputs.len(), "a row for each output");
        assert!(
            rows.iter().all(|row| row.len() == inputs.len()),
            "a column for each input"
        );
        assert!(
            inputs.iter().all(|input| input.len() == length),
            "inputs of one length"
        );
        assert!(
            outputs.iter().all(|output| output.len() == length),
            "outputs of that length"
        );
        Self {
            rows,
            inputs,
            outputs,
            length,
        }
    }
}
